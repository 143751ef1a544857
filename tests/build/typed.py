"""Command lines as people type them, each with a secret of its own, and lines that look alike and hold none.

``FORMS``: ``{}`` is where the secret stands, ``{h}`` where it is hexadecimal digits of a hash. A form is of WinRS (cmd.exe) unless it says PowerShell.
"""

import base64
import hashlib
from typing import NamedTuple

_CMD = r"""
net user bob {} /add
net user /add bob {}
net user bob /add {} /y
NET USER "bob smith" "{}" /ADD
net.exe user bob {} /domain /active:yes
C:\Windows\System32\net1.exe user bob {} /add
"C:\Windows\System32\net.exe" user bob {} /add
net1 user /domain bob {}
cmd /c "net user bob {} /add"
cmd.exe /C net user bob {} /add & net localgroup administrators bob /add
net use Z: \\srv01\share {} /user:LAB\bob
net use \\srv01\c$ /user:LAB\bob {}
net use /user:bob \\srv01\c$ "{}" /persistent:no
NET USE * \\srv01\share {} /USER:bob
psexec \\srv01 -u LAB\bob -p {} cmd /c whoami
PsExec64.exe -accepteula \\srv01 /u bob /p "{}" ipconfig
paexec \\srv01 -p {} -u bob whoami
winrs -r:srv01 -u:bob -p:{} ipconfig
winrs /remote:srv01 /username:bob /password:"{}" ipconfig
schtasks /create /tn job /tr calc.exe /sc once /st 00:00 /ru LAB\bob /rp {} /f
SCHTASKS.EXE /Create /S srv01 /U bob /P "{}" /TN job /TR x /SC DAILY
schtasks /create /tn job /sc once /st 00:00 /tr "cmd /c net user bob {} /add"
sc config svc obj= .\bob password= {}
sc.exe \\srv01 create svc binPath= "C:\x y\s.exe" obj= bob password= "{}" start= auto
wmic /node:srv01 /user:bob /password:{} process list
wmic /node:srv01 /user:bob /password:"{}" process call create calc
wmic process call create "net user bob {} /add"
echo {} | runas /user:LAB\bob "cmd /c whoami"
echo {}|runas.exe /user:bob cmd
echo {}| net user bob *
cmdkey /add:srv01 /user:bob /pass:{}
cmdkey /generic:TERMSRV/srv01 /user:LAB\bob /pass:"{}"
cmdkey.exe /add:srv01 /user:bob /PASS {}
netdom join srv01 /domain:lab /userd:bob /passwordd:{}
netdom resetpwd /s:dc01 /ud:LAB\bob /pd:{}
netdom trust a /d:b /UserO:bob /PasswordO:"{}"
dsadd user "cn=bob,dc=lab" -pwd {} -mustchpwd yes
dsmod user "cn=bob,dc=lab" -pwd "{}"
dsquery user -u bob -p {} -name b*
reg add "HKLM\SOFTWARE\Microsoft\Windows NT\CurrentVersion\Winlogon" /v DefaultPassword /t REG_SZ /d {} /f
REG ADD HKLM\x /t REG_SZ /d "{}" /v DefaultPassword /f
tasklist /s srv01 /u bob /p {}
wevtutil qe System /r:srv01 /u:bob /p:{}
logman create counter c -u LAB\bob {}
rasdial office bob {}
bitsadmin /setcredentials job SERVER BASIC bob {}
ksetup /setcomputerpassword {}
ksetup /domain LAB /changepassword old {}
ktpass /princ http/a@B /pass {} /out f.keytab
ldifde -i -f x.ldf -b bob LAB {}
manage-bde -unlock C: -recoverypassword {}
msiexec /i agent.msi /qn SVCUSER=bob PASSWORD={}
msiexec /i agent.msi SVC_PASSWORD="{}" /qn
sqlcmd -S srv01 -U sa -P {} -Q "select 1"
sqlcmd -S srv01 -U sa -P{}
osql -U sa -P "{}"
bcp db.t out f.txt -S srv01 -U sa -P {} -c
sqlcmd -Q "ALTER LOGIN sa WITH PASSWORD = N'{}'"
mysql -u root -p{} db
mysqldump --user=root --password={} db
mysql -u root --password="{}" db
psql postgresql://bob:{}@db01/x
set PGPASSWORD={}&& psql -h db01
setx DB_PASSWORD {} /m
curl -u bob:{} https://srv01/
curl.exe --user "bob:{}" https://srv01/
curl -ubob:{} https://srv01/
curl -H "Authorization: Bearer {h}" https://srv01/
curl -H "X-Api-Key: {}" https://srv01/
curl "https://srv01/x?user=bob&password={}&a=b"
wget --http-password={} https://srv01/
plink -ssh bob@srv01 -pw {} ls
"C:\Program Files\PuTTY\plink.exe" -pw "{}" bob@srv01 ls
pscp.exe -pw {} a bob@srv01:/b
7z a -p{} x.7z f
7z.exe x -p"{}" x.7z
"C:\Program Files\7-Zip\7z.exe" a -mhe -p{} x.7z f
rar a -hp{} x.rar f
certutil -p {} -importpfx x.pfx
certutil.exe -f -p "{}" -exportpfx my x.pfx
openssl pkcs12 -in x.pfx -passin pass:{} -passout pass:{} -out y.pem
openssl enc -aes-256-cbc -k {} -in a
az login --service-principal -u id --password {} --tenant t
az login -u bob -p {}
az storage blob list --account-key {} -c x
aws configure set aws_secret_access_key {}
set AWS_SECRET_ACCESS_KEY={}
docker login -u bob -p {} registry
echo {} | docker login -u bob --password-stdin
git clone https://bob:{}@git.example/x.git
Rubeus.exe asktgt /user:bob /rc4:{h} /ptt
Rubeus.exe asktgt /user:bob /aes256:{h}{h} /domain:lab
Rubeus.exe asktgt /user:bob /password:{} /nowrap
Rubeus.exe changepw /creduser:bob /credpassword:{} /new:x
mimikatz "sekurlsa::pth /user:bob /domain:lab /ntlm:{h} /run:cmd" exit
mimikatz.exe "kerberos::golden /user:bob /krbtgt:{h} /id:500" exit
evil-winrm -i 10.0.0.1 -u bob -H {h}
impacket-psexec lab/bob:{}@10.0.0.5
secretsdump.py -hashes aad3b435b51404eeaad3b435b51404ee:{h} lab/bob@dc01
echo bob:500:aad3b435b51404eeaad3b435b51404ee:{h}:::
echo {{"user": "bob", "password": "{}"}}
echo {{"user":"bob","client_secret" : "{}", "tenant":"t"}}
echo "{{\"user\":\"bob\",\"password\":\"{}\"}}"
echo ^<Password^>{}^</Password^>
echo cpassword="{}"
echo Server=srv01;User Id=sa;Password={};Encrypt=true
echo "Data Source=srv01;UID=sa;PWD={}"
echo DefaultEndpointsProtocol=https;AccountName=x;AccountKey={};EndpointSuffix=y
schtasks /change /tn x /ru bob /rp {}
sc config svc password={}
sqlcmd -P"{}" -S srv01
psql "host=db01 user=u password={} dbname=d"
curl --user=bob:{} https://srv01/
curl -x http://bob:{}@proxy https://srv01/
curl -b "session={}" https://srv01/
curl -H "Cookie: session={}" https://srv01/
echo|set /p="{}"|runas /user:bob cmd
msdeploy -dest:auto,userName=bob,password={} -verb:sync
winrm id -r:srv01 -username:bob -password:{}
powershell -File x.ps1 -pw {}
cmd /c net user bob {} /add /comment:"x y"
setx /m API_KEY {}
netsh wlan add profile keyMaterial={}
NET USE \\srv01\share "{}" "/user:lab\bob"
echo     DefaultPassword    REG_SZ    {}
echo Key Content            : {}
echo machine srv01 login bob password {}
powershell -Command "net user bob '{}' /add"
powershell -c "$s = ConvertTo-SecureString '{}' -AsPlainText -Force"
powershell.exe -NoProfile -Command Set-LocalUser -Name bob -Password (ConvertTo-SecureString -AsPlainText {} -Force)
netsh wlan set profileparameter name=Corp SSIDname=Corp keyType=passPhrase keyMaterial={}
netsh wlan add profile filename="C:\w.xml" user=all & rem <keyMaterial>{}</keyMaterial>
<keyMaterial>{}</keyMaterial>
bitsadmin /SetCredentials job1 SERVER BASIC alice {}
bitsadmin.exe  /setcredentials {{3F2504E0-4F89-11D3-9A0C-0305E82C3301}} PROXY NTLM LAB\bob "{}"
vaultcmd /addcreds:"Windows Credentials" /credtype:"Windows Domain Password Credential" /identity:LAB\bob /authenticator:{}
VaultCmd /addcreds:{{4BF4C442-9B8A-41A0-B380-DD4A704DDB28}} /credtype:{{3E0E35BE}} /identity:alice /authenticator:"{}" /resource:srv01
dsmod user "CN=Bob,OU=IT,DC=lab,DC=example" -pwd {} -mustchpwd yes
dsmod user CN=Bob,DC=lab -mustchpwd no -pwd "{}"
net1 user bob {} /domain
net1.exe user "bob b" "{}" /add /y
cmd /c "net user svc {} /add && net localgroup administrators svc /add"
wmic /node:srv01 /user:LAB\alice /password:"{}" process call create "cmd /c whoami"
wmic /user:alice /password:{} /node:@hosts.txt os get caption
winrm get winrm/config -r:srv01 -u:alice -p:{}
winrs -r:srv01 -u:alice -p:"{}" ipconfig
schtasks /create /tn t /tr c:\a.exe /sc daily /ru LAB\svc /rp "{}"
schtasks /change /tn t /rp {}
sc.exe config svc obj= LAB\svc password= "{}"
sc \\srv01 create svc binPath= "c:\a.exe" obj= .\svc password= {}
reg add "HKLM\SOFTWARE\Microsoft\Windows NT\CurrentVersion\Winlogon" /v DefaultPassword /t REG_SZ /d "{}" /f
rundll32 keymgr.dll,KRShowKeyMgr & cmdkey /add:srv01 /user:alice /pass:{}
cmdkey /generic:TERMSRV/srv01 /user:LAB\alice /pass:"{}"
psexec \\srv01 -u LAB\alice -p {} -s cmd.exe
PsExec64.exe -accepteula \\srv01 -u alice -p "{}" cmd
echo {} | runas /user:alice cmd
certutil -f -p {} -importpfx c:\a.pfx
certutil -exportPFX -p "{}" my 01 out.pfx
openssl pkcs12 -in a.pfx -out a.pem -passin pass:{} -nodes
7z.exe a -tzip -p{} out.zip C:\data
rar a -hp{} out.rar C:\data
"C:\Program Files\WinRAR\rar.exe" a -r -p"{}" out.rar c:\x
sqlcmd -S db01 -U sa -P {} -Q "select 1"
sqlcmd -S db01 -U sa -P"{}" -i a.sql
bcp db.dbo.t out t.dat -S db01 -U sa -P{}
osql -E -S db -Usa -P{}
Server=db01;Database=x;User Id=sa;Password={};
Data Source=db01;Initial Catalog=x;Persist Security Info=True;User ID=sa;Pwd={}
Provider=SQLOLEDB;Server=db;Uid=sa;Pwd='{}';
<add name="x" connectionString="Server=db;Uid=sa;Pwd={};" />
mysql -u root -p{} -e "show databases"
mysqldump -uroot -p"{}" db
psql "postgresql://alice:{}@db01/x"
psql postgres://alice:{}@db01:5432/x -c "select 1"
set PGPASSWORD={}&& psql -h db
az login -u alice@x.com -p "{}"
az login --service-principal -u 1234 -p {} --tenant t
az storage blob upload --account-key {} -f a
curl -u alice:{} https://srv/x
vault login {}
curl --user "alice:{}" -k https://srv
git clone https://alice:{}@git.lab/x.git
plink -ssh -pw {} root@10.0.0.1 id
pscp.exe -pw "{}" a root@10.0.0.1:/tmp
sshpass -p {} ssh root@x
evil-winrm -i 10.0.0.1 -u alice -p '{}'
psexec.py LAB/alice:{}@10.0.0.1
wmiexec.py 'LAB/alice:{}@10.0.0.1' whoami
crackmapexec smb 10.0.0.0/24 -u alice -p '{}' --shares
nxc winrm 10.0.0.1 -u alice -p {} -x whoami
Rubeus.exe asktgt /user:alice /password:{} /ptt
Rubeus.exe createnetonly /program:cmd.exe /username:a /password:"{}" /domain:LAB
SharpHound.exe -c All --ldapusername alice --ldappassword {}
{{"user": "alice", "password": "{}"}}
{{"credentials":{{"username":"a","passwd":"{}"}}}}
{{'user':'alice','password':'{}'}}
"client_secret": "{}",
password: {}
ansible_password: {}
ansible_become_pass: "{}"
<password>{}</password>
<Password Value="{}" />
<AutoLogon><Password><Value>{}</Value><PlainText>true</PlainText></Password></AutoLogon>
<AdministratorPassword><Value>{}</Value></AdministratorPassword>
<LocalAccount><Password><Value>{}</Value></Password></LocalAccount>
<identity impersonate="true" userName="LAB\svc" password="{}" />
<setting name="ApiKey" serializeAs="String"><value>{}</value></setting>
<add key="AdminPassword" value="{}" />
machine srv login alice password {}
Password = {}
SetupPwd="{}"
AdminPassword={}
DomainAdminPassword={}
tscon 2 /password:{} /dest:console
netdom join srv01 /domain:lab /userd:LAB\a /passwordd:{}
netdom resetpwd /s:dc01 /ud:LAB\a /pd:{}
dsadd user "CN=x,DC=lab" -samid x -pwd {} -disabled no
ldapsearch -x -D "cn=a" -w {} -b dc=lab
ldifde -i -f a.ldf -b alice LAB {}
ktpass /princ HTTP/srv@LAB /mapuser svc /pass {} /out a.keytab
adfind -u a -up {} -f x
appcmd set apppool x /processModel.password:{}
appcmd set vdir x -password:"{}"
docker login -u a -p {} reg.lab
net use \\srv01\ipc$ "{}" /user:LAB\alice
net use Z: \\srv01\c$ /user:alice {}
net use * \\srv01\c$ {} /user:alice /persistent:no
vault login token={}
setx /M DB_PASSWORD "{}"
setx API_KEY {}
msiexec /i a.msi ADMINPASSWORD={} /qn
msiexec /i a.msi SERVICE_PASSWORD="{}" /qn
setup.exe /quiet SAPWD={}
setup.exe /q /SAPWD="{}" /SQLSVCPASSWORD="{}"
setup.exe /ACTION=install /AGTSVCPASSWORD='{}'
wbadmin start backup -user:a -password:{}
rasdial VPN alice {}
rasdial "My VPN" alice "{}" /domain:LAB
tasklist /s srv01 /u LAB\a /p {}
systeminfo /s x /u a /p "{}"
wevtutil qe Security /r:x /u:a /p:{}
wecutil cs /cun:a /cup:{}
logman create counter x -u LAB\a {} -c y
eventcreate /s x /u a /p {} /t ERROR
xfreerdp /u:a /p:{} /v:x
smbclient //x/c$ -U a%{}
rpcclient -U "a%{}" x
winexe -U LAB/a%{} //x cmd
wmic /node:x /user:a /password:{} /namespace:\\root\cimv2 path win32_process call create "net user b {} /add"
echo open ftp.x > f & echo user alice {} >> f
echo open 10.0.0.5 21> f&echo alice>> f&echo {}>> f&echo get x.exe>> f&ftp -s:f
(echo open ftp.x & echo alice & echo {} & echo bye) > f && ftp -s:f
wget --password {} ftp://x
winscp.com /command "open sftp://a:{}@x/" exit
Add-Content c:\x.txt 'PASS: {}'
Write-Output "Password: {}"
dcpromo /unattend /SafeModeAdminPassword:{}
SafeModeAdminPassword={}
sekurlsa * Password : {}
kerberos :  Password : {}
Password    : {}
PWD: {}
"""
_POWERSHELL = r"""
$s = ConvertTo-SecureString '{}' -AsPlainText -Force
$s = ConvertTo-SecureString "{}" -Force -AsPlainText
ConvertTo-SecureString -AsPlainText -Force -String "{}"
ConvertTo-SecureString -Force -AsPlainText {}
ConvertTo-SecureString -AsPlainText -String:'{}' -Force
'{}' | ConvertTo-SecureString -AsPlainText -Force
"{}"|ConvertTo-SecureString -AsPlainText -Force
New-Object System.Net.NetworkCredential('bob', '{}', 'lab')
New-Object Net.NetworkCredential -ArgumentList "bob","{}"
New-Object -TypeName System.Net.NetworkCredential -ArgumentList @('bob', '{}')
[System.Net.NetworkCredential]::new("bob","{}")
New-Object PSCredential('bob', (ConvertTo-SecureString '{}' -AsPlainText -Force))
New-Object System.Management.Automation.PSCredential -ArgumentList 'bob', (ConvertTo-SecureString -Force -AsPlainText "{}")
[pscredential]::new('bob', ('{}' | ConvertTo-SecureString -AsPlainText -Force))
New-LocalUser bob -Password (ConvertTo-SecureString '{}' -AsPlainText -Force) -PasswordNeverExpires
New-ADUser bob -AccountPassword (ConvertTo-SecureString "{}" -AsPlainText -Force) -Enabled $true
Set-ADAccountPassword bob -Reset -NewPassword (ConvertTo-SecureString -AsPlainText "{}" -Force)
Invoke-It -Password '{}' -Force
Invoke-It -Password:{} -Force
Invoke-It -Pass "{}"
Invoke-It -AdminPassw '{}'
Invoke-It -Passphrase "{}" -Path x
Invoke-It -SafeModeAdministratorPassword '{}' -Credential $cred
Invoke-It -ApiKey {} -Verbose
$h = @{{ User = 'bob'; Password = '{}' }}; Invoke-It @h
$h = @{{'Password'="{}"}}
$Password = "{}"
$user, $password = 'alice', '{}'
$a,$pw="x","{}"
$server , $User, $DbPass = "srv", "sa" , '{}'
$o.Password = '{}'
[string]$AdminPassword='{}'
$env:PGPASSWORD = '{}'
[Environment]::SetEnvironmentVariable('DB_PASSWORD', '{}', 'Machine')
([ADSI]"WinNT://./bob").SetPassword("{}")
([ADSI]"WinNT://./bob,user").Invoke("SetPassword", "{}")
$ctx.ValidateCredentials('bob', '{}')
New-Object DirectoryServices.DirectoryEntry($path, 'bob', '{}')
Start-Process net -ArgumentList 'user bob {} /add' -Wait
Start-Process net.exe -ArgumentList 'user','bob','{}','/add'
Invoke-WmiMethod -Class Win32_Process -Name Create -ArgumentList "net user bob {} /add"
Set-ItemProperty -Path 'HKLM:\SOFTWARE\x\Winlogon' -Name DefaultPassword -Value '{}'
Invoke-Command srv01 {{ net user bob '{}' /add }}
cmd /c 'net use \\srv01\c$ "{}" /user:bob'
Invoke-RestMethod https://srv01 -Headers @{{ Authorization = "Bearer {h}" }}
Invoke-RestMethod https://srv01 -Headers @{{ "X-Api-Key" = "{}" }}
Invoke-Mimikatz -Command '"sekurlsa::pth /user:bob /ntlm:{h} /run:cmd"'
$x = '<unattend><AdministratorPassword><Value>{}</Value><PlainText>true</PlainText></AdministratorPassword></unattend>'
$x = '<add key="DbPassword" value="{}"/>'
& "$env:windir\system32\net.exe" user bob '{}' /add
ConvertTo-SecureString ('{}') -AsPlainText -Force
$s = New-Object SecureString; "{}".ToCharArray() | ForEach-Object {{ $s.AppendChar($_) }}
$n.MapNetworkDrive("Z:", "\\srv01\share", $false, "bob", "{}")
$svc.Change($null, $null, $null, $null, $null, $null, "bob", "{}", $null, $null, $null)
$folder.RegisterTaskDefinition($n, $t, 6, 'bob', '{}', 1, $null)
Invoke-Sqlcmd -ServerInstance srv01 -Username sa -Password '{}' -Query "ALTER LOGIN x ENABLE"
Invoke-Sqlcmd -Query "CREATE USER u IDENTIFIED BY '{}'"
$c = New-Object System.Data.SqlClient.SqlConnection("Server=srv01;User ID=sa;Password={}")
[pscredential]::new("bob", $("{}" | ConvertTo-SecureString -AsPlainText -Force))
Set-ADAccountPassword -Identity bob -OldPassword (ConvertTo-SecureString -AsPlainText "{}" -Force) -NewPassword $new
$env:AZURE_CLIENT_SECRET="{}"
if ($password -eq '{}') {{ 1 }}
$cred = @{{ UserName = 'alice'; Password = '{}' }}
$params = @{{ComputerName='srv01';Credential=(New-Object PSCredential 'alice',(ConvertTo-SecureString '{}' -AsPlainText -Force))}}
[pscredential]::new('alice', ('{}' | ConvertTo-SecureString -AsPlainText -Force))
Set-ADAccountPassword -Identity bob -Reset -NewPassword (ConvertTo-SecureString -String '{}' -AsPlainText -Force)
Set-LocalUser -Name bob -Password (ConvertTo-SecureString "{}" -AsPlainText -Force)
Add-Computer -DomainName lab -Credential (New-Object Management.Automation.PSCredential("LAB\join",("{}"|ConvertTo-SecureString -AsPlainText -Force)))
$u.SetPassword("{}")
$sess = New-Object System.Net.NetworkCredential("alice","{}","LAB")
(New-Object Net.WebClient).Credentials = New-Object Net.NetworkCredential('a','{}')
winrm invoke Create wmicimv2/Win32_Process @{{CommandLine="notepad"}} -remote:srv01 -username:alice -password:{}
Set-ItemProperty -Path 'HKLM:\SOFTWARE\Microsoft\Windows NT\CurrentVersion\Winlogon' -Name DefaultPassword -Value '{}'
New-ItemProperty $p AltDefaultPassword -PropertyType String -Value "{}" -Force
Import-PfxCertificate -FilePath a.pfx -Password (ConvertTo-SecureString '{}' -AsPlainText -Force)
Export-PfxCertificate -Cert $c -FilePath x.pfx -Password ('{}' | ConvertTo-SecureString -AsPlainText -Force)
Invoke-Sqlcmd -ServerInstance db -Username sa -Password '{}' -Query "select 1"
$env:PGPASSWORD = '{}'; psql -h db
$env:AWS_SECRET_ACCESS_KEY="{}"
Connect-AzAccount -Credential (New-Object PSCredential('a',(ConvertTo-SecureString '{}' -AsPlain -Force)))
Invoke-WebRequest https://srv -Headers @{{'X-Api-Key'='{}'}}
iwr "https://srv/x?api_key={}"
iwr https://alice:{}@srv/x
Invoke-Mimikatz -Command '"lsadump::setntlm /user:bob /password:{}"'
Invoke-BloodHound -LdapUser a -LdapPass {}
Invoke-Kerberoast; Set-DomainUserPassword -Identity bob -AccountPassword (ConvertTo-SecureString '{}' -AsPlainText -Force)
New-SmbMapping -RemotePath \\srv\c -UserName a -Password '{}'
(New-Object -ComObject WScript.Network).MapNetworkDrive("Z:","\\srv\c",$false,"LAB\a","{}")
$s = New-PSSession -ComputerName x -Credential ([pscredential]::new("a",(ConvertTo-SecureString -String "{}" -AsPlainText -Force)))
Invoke-Command -ScriptBlock {{ net user a {} /add }}
Start-Process net -ArgumentList "user","bob","{}","/add"
Start-Process -FilePath net.exe -Args 'user bob {} /add'
& net user bob '{}' /add
&"C:\Windows\System32\net.exe" user bob {} /active:yes
Get-Credential | Out-Null; $pw = '{}'
$passwd="{}";Invoke-X
Unlock-BitLocker -MountPoint E: -Password (ConvertTo-SecureString "{}" -AsPlainText -Force)
Set-Service -Name x -Credential (New-Object pscredential 'a',(ConvertTo-SecureString '{}' -AsPlainText -Force))
gwmi win32_service -filter "name='x'" | % {{ $_.Change($null,$null,$null,$null,$null,$null,"LAB\a","{}") }}
$svc.Change($null,$null,$null,$null,$null,$false,"LAB\a",'{}',$null,$null,$null)
([wmiclass]'win32_share').Create('c:\','x',0,$null,'d','{}')
Register-ScheduledTask -TaskName x -User LAB\a -Password '{}' -Action $a
$folder.RegisterTaskDefinition("x",$def,6,"LAB\a","{}",1)
[System.DirectoryServices.DirectoryEntry]::new("LDAP://x","LAB\a","{}")
New-Object DirectoryServices.DirectoryEntry "LDAP://x","a","{}"
$ctx.ValidateCredentials("a","{}")
$rsa = New-Object X509Certificate2("a.pfx","{}")
[Environment]::SetEnvironmentVariable("DB_PASSWORD","{}","Machine")
$c.Add("password", "{}")
$h["Password"] = "{}"
$h['pwd']='{}'
$o.Password = "{}"
New-Object psobject -Property @{{User='a';Pass='{}'}}
[PSCustomObject]@{{ Secret = "{}" }}
-Credential $c -Token '{}'
Install-ADDSForest -SafeModeAdministratorPassword (ConvertTo-SecureString '{}' -AsPlainText -Force)
Reset-ComputerMachinePassword; nltest; $m = "{}" | ConvertTo-SecureString -Force -AsPlainText
Set-ADAccountPassword bob -NewPassword (ConvertTo-SecureString -Force -AsPlainText -String {})
"""
_BLOCKS = (
    "@'\nopen ftp.x\nuser alice {}\nput a.zip\nbye\n'@ | Out-File f; ftp -n -s:f",
    "open ftp.x\nalice\n{}\nput a.zip\nbye # ftp",
    "echo open ftp.x > f\necho alice >> f\necho {} >> f\nftp -s:f",
    "$p = @{{\n  UserName = 'bob'\n  Password = \"{}\"\n}}\nInvoke-It @p",
    "$password = @'\n{}\n'@\nInvoke-It",
    "ConvertTo-SecureString `\n  -AsPlainText `\n  -Force `\n  -String '{}'",
    "net user bob `\n  '{}' /add",
    "password: {}\nuser: bob",
)
NEAR = r"""
$user, $passwordFile = 'alice', $file
$a, $b = 'x', 'y'
echo open ftp.x > f & echo binary >> f & echo get a.exe >> f & ftp -A -s:f
open the door & echo done
ftp: open it, then user and password are asked
net user bob /domain
net user bob * /add
net user bob /passwordreq:yes /active:yes
net user
net use Z: /delete
net use \\srv01\share /user:bob
net accounts /minpwlen:12 /maxpwage:30
net localgroup administrators bob /add
psexec \\srv01 -s cmd /c whoami
schtasks /create /tn job /tr calc /sc once /st 00:00 /ru SYSTEM /rp /f
schtasks /query /fo LIST /v
sc config svc start= auto
sc create svc binPath= "C:\a b\x.exe" start= auto
cmdkey /list
cmdkey /add:srv01 /user:bob /pass
netdom resetpwd /s:dc01 /ud:bob /pd:*
dsadd user "cn=bob" -mustchpwd yes -pwdneverexpires no
reg query HKLM\x /v DefaultPassword
reg add HKLM\x /v AllowBasic /t REG_DWORD /d 1 /f
sqlcmd -S srv01 -E -p1 -Q "select 1"
mysql -u root -p db -P 3306
psql -h db01 -p 5432 -U bob
curl -u bob https://srv01/
curl -o out.txt https://srv01:443/a?b=c
git clone https://git.example/x.git
plink -ssh bob@srv01 -P 22 ls
echo y | plink bob@srv01
7z a x.7z f
certutil -hashfile x.exe SHA256
openssl pkcs12 -in x.pfx -passin env:PW -passout file:pw.txt
shutdown /p /f
forfiles /p C:\x /c "cmd /c del @file"
xcopy a b /p
mkdir -p /x/y
powershell -ExecutionPolicy Bypass -File x.ps1
whoami /all
Get-ADUser bob -Properties PasswordLastSet
Set-LocalUser bob -PasswordNeverExpires $true
New-ADUser bob -AccountPassword $pw -ChangePasswordAtLogon $false
Set-ADAccountPassword bob -Reset
$password = Read-Host -AsSecureString
$password = Get-Content .\pw.txt | ConvertTo-SecureString
$cred = Get-Credential -UserName bob -Message 'for srv01'
param([string]$Password, [int]$Port)
Select-Object Name,Password,Enabled
New-Object PSCredential('bob', $secure)
Enter-PSSession srv01 -Credential LAB\bob
Get-Password
Password last set            1/2/2026 10:00
Password expires             Never
Minimum password length      7
PasswordLastSet : 1/1/2026
PasswordRequired : True
Password : System.Security.SecureString
System, Version=4.0.0.0, PublicKeyToken=b77a5c561934e089
Get-FileHash x.exe | Format-List Hash
SHA256 : 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
netsh wlan show profile name=x key=clear
reg add HKLM\x /v DefaultUserName /d bob /f
reg query HKLM\x
AutoAdminLogon    REG_SZ    1
msiexec /i agent.msi /qn
bcdedit /enum
http://srv01:5985/wsman
net1 user bob /delete
net user bob /active:no
net user /domain
net1 user bob /times:M-F,08:00-17:00
net user bob /passwordreq:yes
net use \\srv01\share /persistent:yes
cmdkey /delete:srv01
vaultcmd /list
VaultCmd /listcreds:"Windows Credentials" /all
vaultcmd /listproperties:"Web Credentials"
dsmod user CN=Bob,DC=lab -mustchpwd yes -canchpwd no
dsquery user -stalepwd 30
bitsadmin /transfer job http://x/a.exe c:\a.exe
bitsadmin /list /verbose
netsh wlan show profiles
netsh wlan show profile name=Corp key=clear
netsh interface ip set address name="Ethernet" static 10.0.0.1
netsh advfirewall firewall add rule name="key" dir=in action=allow
winrm get winrm/config
winrm set winrm/config/service @{AllowUnencrypted="true"}
winrm quickconfig -q
winrm enumerate winrm/config/listener -p
schtasks /query /fo list /v
schtasks /create /tn t /tr c:\passwd.exe /sc daily /ru SYSTEM
sc query wuauserv
wmic process call create "notepad.exe"
wmic useraccount get name,passwordchangeable,passwordrequired
reg query "HKLM\SOFTWARE\Microsoft\Windows NT\CurrentVersion\Winlogon" /v DefaultPassword
reg add HKLM\SYSTEM\CurrentControlSet\Control\Lsa /v NoLMHash /t REG_DWORD /d 1 /f
reg add HKLM\x /v DisablePasswordChange /t REG_DWORD /d 1
reg save hklm\sam c:\sam
Set-ItemProperty HKLM:\x\Password -Name Foo -Value bar
Set-ItemProperty -Path HKLM:\SYSTEM\CurrentControlSet\Services\Netlogon\Parameters -Name DisablePasswordChange -Value 1
Get-ItemProperty HKLM:\x -Name DefaultPassword
New-ItemProperty $p MaximumPasswordAge -PropertyType DWord -Value 30
certutil -p
certutil -hashfile a.exe SHA256
certutil -urlcache -f http://x/p.exe p.exe
openssl x509 -in a.pem -noout -text
7z x out.zip -oC:\p
sqlcmd -S db01 -E -Q "select password_hash from sys.sql_logins"
mysql -u root -p
mysql -u root --port=3306 db
psql -h db -p 5432 -U alice
ssh -p 2222 root@x
scp -P 22 a root@x:/tmp
curl -u alice https://x
curl -p https://x
mkdir -p /tmp/passwords
docker run -p 8080:80 nginx
docker compose -p myproject up
kubectl get secret -n kube-system
kubectl port-forward -p x
az account list
az vm create -n x --admin-username bob
aws configure list
git config user.name bob
Get-ADUser bob -Properties PasswordLastSet,PwdLastSet
Get-ADDefaultDomainPasswordPolicy
Search-ADAccount -PasswordExpired
Get-LocalUser | select Name,PasswordRequired,PasswordLastSet
Set-LocalUser -Name bob -PasswordNeverExpires $true
Set-ADUser bob -ChangePasswordAtLogon $true
$password = Read-Host -AsSecureString "Password"
$Password = Get-Content c:\p.txt | ConvertTo-SecureString
$cred = Get-Credential -UserName alice -Message "Enter password"
Write-Host "Enter your password:"
Write-Host "Password must be changed"
"The password has expired"
ConvertTo-SecureString $env:PW -AsPlainText -Force
ConvertTo-SecureString -String $plain -AsPlainText -Force
findstr /si password *.txt *.ini *.xml
dir /s *pass* == *cred* == *vnc*
Select-String -Path *.config -Pattern "password="
Get-ChildItem -Recurse -Include *password*
type C:\passwords.txt
notepad password.txt
Enter-PSSession -ComputerName srv01 -Credential $cred
powershell -ep bypass -c whoami
Set-ExecutionPolicy Bypass -Scope Process
New-Object System.Threading.CancellationToken
<assemblyIdentity name="x" publicKeyToken="b77a5c561934e089"/>
System.Web, Version=4.0.0.0, Culture=neutral, PublicKeyToken=b03f5f7f11d50a3a
<machineKey validation="SHA1" decryption="AES"/>
<RequirePassword Value="true"/>
<MinPasswordLength value="12"/>
{"passwordRequired": true, "tokenType": "Bearer"}
{"passwordLastSet":"2024-01-01T00:00:00Z"}
PasswordLastSet : 1/1/2024 10:00:00
Password expires : Never
Password required            Yes
Password last set            1/2/2024 3:04:05 PM
Password changeable          1/3/2024 3:04:05 PM
User may change password     Yes
Minimum password length:                              7
key=clear
Keyboard layout: de
primary key=id
sort -k 2
for /f "tokens=2 delims=:" %a in ('ipconfig') do @echo %a
for /f "tokens=*" %i in (hosts.txt) do ping %i
SHA256: 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
Get-FileHash a.exe -Algorithm MD5
MD5 hash: 8846f7eaee8fb117ad06bdd830b7586c
commit 8846f7eaee8fb117ad06bdd830b7586c00112233
vault status
vault login
vault login -method=userpass
wecutil qc /q
wecutil gs sub1
echo user alice logged on >> log.txt
tasklist /v /fo csv
tasklist /p
wevtutil qe Security /c:5 /rd:true /f:text
takeown /f C:\pagefile.sys
xcopy /p a b
copy /y a.txt b.txt
robocopy a b /mir /r:1
ping -n 3 -p
ipconfig /all
runas /user:LAB\alice cmd
psexec \\srv01 -s cmd
psexec \\srv01 -p
Rubeus.exe triage
Rubeus.exe dump /luid:0x3e7 /nowrap
mimikatz privilege::debug sekurlsa::logonpasswords exit
Invoke-Command -ComputerName a,b -ScriptBlock { Get-Process }
setx PATH "C:\x;%PATH%"
set PASSWORD=
set /p PASSWORD=Enter password:
$token = [Security.Principal.WindowsIdentity]::GetCurrent().Token
$x.GetToken()
Test-Path env:TOKEN
Import-PfxCertificate -FilePath a.pfx -Password $pw
Add-Computer -DomainName lab -Credential $c -Restart
netdom query fsmo
netdom join srv01 /domain:lab /userd:a /passwordd:*
net user bob *
rasdial VPN /disconnect
rasdial
manage-bde -status C:
manage-bde -protectors -get C:
""".strip().splitlines()

UNITS = (
    "curl ", "curl -u a:b ", "net user ", 'net user "', "password=", "password='", 'password="', "-Password ", "-pass:-", "-pass:(", "echo x | ", "'x' ",
    '"a', "a'b ", "::a:", "://a:", '/pass:"', "(", "{", "@{", '\\"', '`"', '""', "A", "QUJD", "token:", "<password ", "<password>", "networkcredential('a',",
    "\n'", '\n"', '7z -p"', "psexec -p 'a\" ", "bearer ", "authorization: basic ", " ", ";Password=", "-----BEGIN PRIVATE KEY-----", "&quot;",
    "password&quot;:&quot;", "reg /v password ", "^", 'cmd /c "net user ""a"" ', "@'\n", "password: @'\n", "$pw=", "eyJabcdef.",
    "password '", "login x password ", "111111-", "cookie: a=", "identified by ", "'x'.ToCharArray() AppendChar", "runas ", "net user * ",
    "<Arguments>", "-enc ", "$a,$pw='x',", "echo open h & ", "open h\n",
)  # fmt: skip
"""What costs most where a reader goes back: quotes that do not close, names without values, layers in layers."""


class Form(NamedTuple):
    """A line with its secrets, and the kind of shell in which it runs."""

    line: str
    secrets: tuple[str, ...]
    kind: str


SAME = ("Gk!Tz#x7", "Gk !Tz#x7", hashlib.md5(b"same", usedforsecurity=False).hexdigest())
"""The secrets of ``forms(same=True)``: as a word, in quotes, as a hash."""


def forms(*, same: bool = False) -> list[Form]:
    """Every form with a secret of its own (or ``SAME``); once more with a blank in the secret where it stands in quotes; and encoded ones."""
    templates = [(one, "winrs") for one in _CMD.strip().splitlines()]
    templates += [(one, "powershell") for one in (*_POWERSHELL.strip().splitlines(), *_BLOCKS)]
    made = [_form(template, kind, None if same else place) for place, (template, kind) in enumerate(templates)]
    quoted = [(one, kind) for one, kind in templates if '"{}"' in one or "'{}'" in one]
    made += [_form(template, kind, None if same else place, " ") for place, (template, kind) in enumerate(quoted, len(made))]
    return made + [_encoded(None if same else place, script) for place, script in enumerate(("net user bob '{}' /add", "$password = '{}'"), len(made))]


def _form(template: str, kind: str, place: int | None, blank: str = "") -> Form:
    digits = SAME[2] if place is None else hashlib.md5(str(place).encode(), usedforsecurity=False).hexdigest()
    secret = SAME[bool(blank)] if place is None else f"Gk{place:03}{blank}!Tz#x"
    filled = template.format(*[secret] * template.count("{}"), h=digits)
    return Form(filled, tuple(one for one in (secret, digits) if one in filled), kind)


def _encoded(place: int | None, script: str) -> Form:
    secret = SAME[0] if place is None else f"Gk{place:03}!Tz#x"
    inner = base64.b64encode(script.format(secret).encode("utf-16-le")).decode()
    outer = base64.b64encode(f"powershell -enc {inner}".encode("utf-16-le")).decode()
    return Form(f"powershell.exe -NoProfile -EncodedCommand {inner if script.startswith('$') else outer}", (secret,), "winrs")
